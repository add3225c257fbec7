"""Beside somebody who makes music or works at it: an assistant that calls tools, a player who improvises, a DAW."""
