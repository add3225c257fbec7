"""What is known of a piece before its first note: its bars, what returns, who plays when, its harmony."""
