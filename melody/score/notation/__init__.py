"""What stands on a page of music: bars, staves, voices, written values, spelling."""
