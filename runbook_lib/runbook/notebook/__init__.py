"""What a run has around it: notebook and parameters, kernel, parent process, and the person who watches."""
