package shop

// good is something the shop sells, in three sizes.
type good struct {
	name, category string
	cents          int // of the smallest size
	grams          int // of the smallest size; 0 = nobody weighed it
}

func goods() []good {
	return []good{
		{"Röstkaffee Äthiopien", "coffee", 690, 250}, {"Café de Huila", "coffee", 840, 250}, {"Espresso Napoli", "coffee", 590, 250},
		{"Cold Brew", "coffee", 450, 500}, {"Türk kahvesi", "coffee", 520, 250}, {"抹茶", "tea", 1890, 30}, {"煎茶", "tea", 1250, 100},
		{"龍井茶", "tea", 2400, 50}, {"Darjeeling First Flush", "tea", 1490, 100}, {"Rooibos", "tea", 395, 100}, {"शहद", "pantry", 780, 500},
		{"Tahini", "pantry", 499, 300}, {"Ελαιόλαδο", "pantry", 1190, 500}, {"Aceto balsamico", "pantry", 1650, 250}, {"Fleur de sel", "pantry", 720, 125},
		{"김치", "pantry", 690, 400}, {"Крупа гречана", "pantry", 280, 500}, {"Za'atar", "spices", 420, 80}, {"Piment d'Espelette", "spices", 890, 50},
		{"Kardamom", "spices", 650, 50}, {"زعفران", "spices", 1250, 1}, {"Vanille de Tahiti", "spices", 990, 10}, {"Crème de marrons", "sweets", 460, 250},
		{"Marzipan Lübeck", "sweets", 540, 200}, {"Pączki", "sweets", 250, 90}, {"Halva", "sweets", 380, 250}, {"羊羹", "sweets", 980, 150},
		{"Dark chocolate 85 %", "sweets", 420, 100}, {"Chef's knife", "kitchen", 7900, 280}, {"Wok, carbon steel", "kitchen", 4900, 1600},
		{"Mörser", "kitchen", 3400, 2100}, {"Tajine", "kitchen", 4400, 2800}, {"Ibrik", "kitchen", 2900, 320}, {"Moka pot", "kitchen", 3250, 540},
		{"茶碗", "tableware", 2800, 220}, {"Espresso cups, pair", "tableware", 1900, 310}, {"Salad bowl", "tableware", 3600, 0},
		{"Linen towel", "tableware", 1450, 110}, {"Gift card", "other", 1000, 0}, {"Tasting box", "other", 2990, 0},
	}
}

// sizes are what each good is sold in: how its name, price and weight change.
func sizes() []size {
	return []size{{"S", 100, 1}, {"M", 190, 2}, {"L", 440, 5}}
}

type size struct {
	name    string
	percent int // of the price
	times   int // the weight
}
