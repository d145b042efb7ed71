package dialog

import (
	_ "embed"
	"os/exec"
	"strings"
	"syscall"
)

const missing = "no program here can show a dialog: /usr/bin/osascript is missing"

var (
	//go:embed ask.applescript
	askScript string
	//go:embed choose.applescript
	chooseScript string
)

func attributes() *syscall.SysProcAttr { return nil }

func askCommand(title, text, initial string) (command, error) {
	return script(askScript, title, text, initial)
}

// chooseCommand shows rows without headings, which the system's list has not.
func chooseCommand(title, text string, _ []string, rows [][]string) (command, error) {
	args := []string{title, text}
	for _, row := range rows {
		args = append(args, strings.Join(row, "   "))
	}
	return script(chooseScript, args...)
}

// script runs a script that prints "=" before the answer, and nothing if the
// user cancels. It comes by standard input: so its name, "-", ends osascript's
// own options, and nothing that follows can be taken for one.
func script(source string, args ...string) (command, error) {
	const program = "osascript"
	if _, err := exec.LookPath(program); err != nil {
		return command{}, ErrNone
	}
	return command{program: program, args: append([]string{"-"}, args...), stdin: source, answer: marked}, nil
}

func marked(stdout string, failed *exec.ExitError) (answer string, ok bool, err error) {
	if failed != nil {
		return "", false, failure(failed)
	}
	answer, ok = strings.CutPrefix(strings.TrimSuffix(stdout, "\n"), "=")
	return answer, ok, nil
}
