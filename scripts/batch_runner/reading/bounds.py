"""How much of a file is read at most: far beyond any essay, and little enough that no file exhausts the machine."""

from typing import Final

MEBIBYTE: Final = 1024 * 1024

MAX_FILE_BYTES: Final = 100 * MEBIBYTE
"""Of a document with pictures."""
MAX_TEXT_FILE_BYTES: Final = 4 * MEBIBYTE
"""Of a file that is nothing but text: .txt, .md, .html."""
MAX_RTF_BYTES: Final = 60 * MEBIBYTE
"""Rich text writes every byte of a picture as two letters."""
MAX_PART_BYTES: Final = 40 * MEBIBYTE
"""Of one part of a document, unpacked."""
MAX_PARTS: Final = 10_000
MAX_ELEMENTS: Final = 600_000
MAX_DEPTH: Final = 150
"""Elements inside each other. The readers follow them by recursion, within what Python allows."""
MAX_CHARACTERS: Final = 1_000_000
"""Of a text: as many as the services accept."""
MAX_PAGES: Final = 300
MAX_PAGE_OBJECTS: Final = 200_000
READ_SECONDS: Final = 60.0
READ_MEMORY: Final = 2048 * MEBIBYTE

MAX_FOLDER_FILES: Final = 12_000
MAX_UNPACKED_BYTES: Final = 2048 * MEBIBYTE
MAX_NESTED_FOLDERS: Final = 8
