"""How fast pages and lines are read over HTTP, by our server and by what others put there."""
