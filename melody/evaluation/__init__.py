"""How well music is predicted: the measure, the baselines, the pieces that were held out."""
