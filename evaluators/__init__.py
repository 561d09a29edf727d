"""Problems, one a file: how a solution is written, checked and scored."""
