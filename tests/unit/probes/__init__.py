"""What can be done to objects, objects to do it to, and whether a proxy makes a difference."""
