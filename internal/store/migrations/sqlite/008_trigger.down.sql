DROP TABLE ?schema.jet_webhook_delivery;
DROP TABLE ?schema.jet_webhook;
DROP TABLE ?schema.jet_schedule;
