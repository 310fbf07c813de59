package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// demoFile keeps what later starts have to know, the password of the demo
// account among it: like the key beside it, it is for the owner of the folder.
func demoFile(folder string) string { return filepath.Join(folder, "demo.json") }

func loadDemo(folder string) (demo, error) {
	var d demo
	b, err := os.ReadFile(demoFile(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return demo{}, fmt.Errorf("read %s: %w", demoFile(folder), err)
	}
	return d, nil
}

func (d demo) save(folder string) error {
	d.Token = "" // a session ends, and is made anew
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return replace(demoFile(folder), append(b, '\n'))
}

// replace writes a file whole or not at all.
func replace(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
