DROP TABLE ?schema.jet_widget_link;
