DROP TABLE ?schema.jet_file_piece;
DROP TABLE ?schema.jet_file;
