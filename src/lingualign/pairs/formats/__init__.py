"""Files of pairs, read chunk by chunk and written whole: tables, translation units, archives, encodings."""
