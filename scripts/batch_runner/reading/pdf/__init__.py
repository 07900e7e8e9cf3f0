"""PDF documents, read with PDFium: the text of every page, held against what is painted on it."""
