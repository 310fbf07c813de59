// Command workbook writes the workbooks that the tests of internal/xlsx read, as a
// library that many programs use writes them:
//
//	go -C tools run ./workbook ../internal/xlsx/testdata/excelize.xlsx
package main

import (
	"os"
	"time"

	"github.com/xuri/excelize/v2"
)

func main() {
	f := excelize.NewFile()
	date, err := f.NewStyle(&excelize.Style{NumFmt: 14})
	check(err)
	moment, err := f.NewStyle(&excelize.Style{CustomNumFmt: ptr(`yyyy\-mm\-dd hh:mm:ss`)})
	check(err)
	clock, err := f.NewStyle(&excelize.Style{CustomNumFmt: ptr("[h]:mm:ss")})
	check(err)
	money, err := f.NewStyle(&excelize.Style{CustomNumFmt: ptr(`#,##0.00" days";[Red]\-#,##0.00`)})
	check(err)
	at := time.Date(2024, 2, 29, 23, 59, 59, 500e6, time.UTC)
	rows := [][]any{
		{"text", "whole", "number", "flag", "day", "moment", "span", "money", "formula", "rich"},
		{"Zoë & <b>", 42, 0.1, true, 45351, at, 1.5, 1234.5, nil, nil},
		{"'=1+1", -7, 1e21, false, 60, at.Add(-100 * 365 * 24 * time.Hour), 0.25, -1, nil, "x"},
		{"007", 9007199254740993, 3, nil, 1, nil, nil, nil, nil, nil},
	}
	for i, row := range rows {
		cell, err := excelize.CoordinatesToCellName(1, i+1)
		check(err)
		check(f.SetSheetRow("Sheet1", cell, &row))
	}
	check(f.SetCellStyle("Sheet1", "E2", "E4", date))
	check(f.SetCellStyle("Sheet1", "F2", "F3", moment))
	check(f.SetCellStyle("Sheet1", "G2", "G3", clock))
	check(f.SetCellStyle("Sheet1", "H2", "H3", money))
	check(f.SetCellFormula("Sheet1", "I2", "B2*2"))
	check(f.SetCellRichText("Sheet1", "J2", []excelize.RichTextRun{{Text: "bold", Font: &excelize.Font{Bold: true}}, {Text: " and not"}}))
	_, err = f.NewSheet("Zweites Blatt")
	check(err)
	check(f.SetCellValue("Zweites Blatt", "C3", "far away"))
	check(f.SaveAs(os.Args[1]))
}

func ptr(s string) *string { return &s }

func check(err error) {
	if err != nil {
		panic(err)
	}
}
