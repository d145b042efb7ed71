package dialog

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

const missing = "no program here can show a dialog: powershell.exe is missing"

//go:embed dialog.ps1
var form string

// attributes hide the console. Not with HideWindow, which hides the first
// window of the program too, and that is the dialog.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NO_WINDOW}
}

// content is what dialog.ps1 reads: with rows a list, else a field.
type content struct {
	Title   string     `json:"title"`
	Text    string     `json:"text"`
	Initial string     `json:"initial"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

func askCommand(title, text, initial string) (command, error) {
	return show(content{Title: title, Text: text, Initial: initial})
}

func chooseCommand(title, text string, columns []string, rows [][]string) (command, error) {
	return show(content{Title: title, Text: text, Columns: columns, Rows: rows})
}

func show(c content) (command, error) {
	const program = "powershell.exe"
	if _, err := exec.LookPath(program); err != nil {
		return command{}, ErrNone
	}
	data, err := json.Marshal(c)
	if err != nil {
		return command{}, err
	}
	return command{
		program: program,
		args:    []string{"-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-EncodedCommand", encodeScript(form)},
		stdin:   base64.StdEncoding.EncodeToString(data), // ASCII, whatever the console's code page
		answer:  marked,
	}, nil
}

// encodeScript makes of a script what -EncodedCommand takes.
func encodeScript(source string) string {
	var bytes []byte
	for _, unit := range utf16.Encode([]rune(source)) {
		bytes = append(bytes, byte(unit), byte(unit>>8))
	}
	return base64.StdEncoding.EncodeToString(bytes)
}

// marked reads "=" and the answer in base64; nothing if the user cancelled.
func marked(stdout string, failed *exec.ExitError) (answer string, ok bool, err error) {
	if failed != nil {
		return "", false, failure(failed)
	}
	encoded, ok := strings.CutPrefix(strings.TrimSpace(stdout), "=")
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	return string(decoded), ok, err
}
