"""What ``edged doctor`` looks at. A check is a function that takes where to look and returns a ``Finding``; it never raises."""
