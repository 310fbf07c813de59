package shop

// place is a country that customers come from: how people are called there, and
// where they live.
type place struct {
	country, dialling string
	first, last       []string
	cities            []string
	lastFirst         bool // the family name comes first
	joined            bool // without a blank between the names
	weight            int
}

func places() []place {
	return []place{
		{country: "DE", dialling: "49", weight: 18,
			first:  []string{"Anna", "Jürgen", "Käthe", "Lukas", "Sören", "Zoë"},
			last:   []string{"Müller", "Weiß", "Großmann", "Schröder", "Yıldız", "Fischer"},
			cities: []string{"Köln", "München", "Görlitz", "Berlin", "Lübeck"}},
		{country: "US", dialling: "1", weight: 16,
			first:  []string{"Grace", "José", "Liam", "Renée", "Noah", "Siobhán"},
			last:   []string{"O'Connor", "García", "Johnson", "Nguyễn", "Smith-Jones", "Lee"},
			cities: []string{"San José", "New York", "Cañon City", "Boston", "Austin"}},
		{country: "FR", dialling: "33", weight: 12,
			first:  []string{"Élodie", "François", "Gaëlle", "Jean-Noël", "Maëlys", "Rémi"},
			last:   []string{"Lefèvre", "d'Aubigné", "Moreau", "Bérenger", "Nuñez", "Petit"},
			cities: []string{"Orléans", "Nîmes", "Besançon", "Paris", "Saint-Étienne"}},
		{country: "JP", dialling: "81", weight: 10, lastFirst: true, joined: true,
			first:  []string{"葵", "大翔", "さくら", "健太", "ゆうき", "美咲"},
			last:   []string{"佐藤", "鈴木", "高橋", "渡辺", "山﨑", "髙木"},
			cities: []string{"東京", "大阪", "札幌", "京都", "那覇"}},
		{country: "GR", dialling: "30", weight: 6,
			first:  []string{"Αλέξανδρος", "Ελένη", "Γιώργος", "Δήμητρα", "Κωνσταντίνος", "Σοφία"},
			last:   []string{"Παπαδόπουλος", "Νικολάου", "Γεωργίου", "Βασιλείου", "Οικονόμου", "Αγγελής"},
			cities: []string{"Αθήνα", "Θεσσαλονίκη", "Πάτρα", "Ηράκλειο"}},
		{country: "UA", dialling: "380", weight: 7,
			first:  []string{"Олександр", "Юлія", "Їва", "Богдан", "Соломія", "Тарас"},
			last:   []string{"Шевченко", "Коваленко", "Бойко", "Ткач", "Ґалаґан", "Мельник"},
			cities: []string{"Київ", "Львів", "Одеса", "Чернівці"}},
		{country: "IN", dialling: "91", weight: 8,
			first:  []string{"आरव", "प्रिया", "रोहन", "अनन्या", "विक्रम", "दीपा"},
			last:   []string{"शर्मा", "पटेल", "सिंह", "गुप्ता", "राव", "मेहता"},
			cities: []string{"मुंबई", "दिल्ली", "जयपुर", "पुणे"}},
		{country: "EG", dialling: "20", weight: 6,
			first:  []string{"أحمد", "فاطمة", "يوسف", "مريم", "عمر", "ليلى"},
			last:   []string{"حسن", "إبراهيم", "المصري", "عبد الله", "السيد", "منصور"},
			cities: []string{"القاهرة", "الإسكندرية", "الأقصر", "أسوان"}},
		{country: "KR", dialling: "82", weight: 6, lastFirst: true, joined: true,
			first:  []string{"서연", "민준", "지우", "하은", "도윤", "수아"},
			last:   []string{"김", "이", "박", "최", "정", "남궁"},
			cities: []string{"서울", "부산", "인천", "제주"}},
		{country: "PL", dialling: "48", weight: 6,
			first:  []string{"Łukasz", "Małgorzata", "Paweł", "Zofia", "Świętosław", "Agnieszka"},
			last:   []string{"Wójcik", "Kowalczyk", "Żak", "Śliwa", "Dąbrowski", "Nowak"},
			cities: []string{"Łódź", "Kraków", "Gdańsk", "Poznań"}},
		{country: "IL", dialling: "972", weight: 5,
			first:  []string{"נועה", "דוד", "תמר", "יעל", "איתן", "שירה"},
			last:   []string{"כהן", "לוי", "מזרחי", "פרץ", "ביטון", "אברהם"},
			cities: []string{"תל אביב", "חיפה", "ירושלים", "אילת"}},
	}
}
