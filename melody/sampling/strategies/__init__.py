"""How a tune is looked for: by chance, by chance until one ends well, the likeliest, or the one that fits what follows."""
