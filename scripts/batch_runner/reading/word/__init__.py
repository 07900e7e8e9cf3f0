"""Word documents (.docx, .docm, .dotx, .dotm; transitional or strict), read over their XML."""
