package dialog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ErrNone means that no program here can show a dialog; it says what to install.
var ErrNone = errors.New(missing)

// ErrNoDesktop means that this process has no display to show a dialog on.
var ErrNoDesktop = errors.New("no desktop to show a dialog on")

// Ask asks for one line of text, and offers initial to begin with. It returns
// what was typed as it is; ok is false if the user cancelled. When ctx ends,
// the dialog disappears and the error is that of ctx.
func Ask(ctx context.Context, title, text, initial string) (answer string, ok bool, err error) {
	c, err := askCommand(line(title), text, line(initial))
	if err != nil {
		return "", false, err
	}
	return c.run(ctx)
}

// Choose lets the user choose one of the rows, each with a cell for each of the
// columns, and returns its index. Hundreds of rows are fine. ok is false if the
// user cancelled or chose none. When ctx ends, the dialog disappears and the
// error is that of ctx.
func Choose(ctx context.Context, title, text string, columns []string, rows [][]string) (row int, ok bool, err error) {
	if len(rows) == 0 {
		return 0, false, errors.New("choose from a list: it is empty")
	}
	c, err := chooseCommand(line(title), text, lines(columns), table(rows))
	if err != nil {
		return 0, false, err
	}
	answer, ok, err := c.run(ctx)
	if err != nil || !ok || answer == "" {
		return 0, false, err
	}
	row, err = strconv.Atoi(answer)
	if err != nil || row < 0 || row >= len(rows) {
		return 0, false, fmt.Errorf("choose from a list: %s answered %.40q, which is no row of it", c.program, answer)
	}
	return row, true, nil
}

// command is a program that shows one dialog.
type command struct {
	program string
	args    []string
	stdin   string
	// answer reads the user's answer from what the program printed and from how
	// it ended, nil if with exit code 0; ok is false if the user cancelled.
	answer func(stdout string, failed *exec.ExitError) (answer string, ok bool, err error)
}

func (c command) run(ctx context.Context) (answer string, ok bool, err error) {
	var stdout, stderr bytes.Buffer
	child := exec.CommandContext(ctx, c.program, c.args...)
	child.Stdin, child.Stdout, child.Stderr = strings.NewReader(c.stdin), &stdout, &stderr
	child.SysProcAttr = attributes()
	child.WaitDelay = time.Second // in case it leaves children behind that hold its output open
	err = child.Run()
	var failed *exec.ExitError
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	if err == nil || errors.As(err, &failed) {
		if failed != nil {
			failed.Stderr = stderr.Bytes()
		}
		answer, ok, err = c.answer(stdout.String(), failed)
	}
	if err != nil {
		return "", false, fmt.Errorf("show a dialog with %s: %w", c.program, err)
	}
	return answer, ok, nil
}

// failure is the error of a program that has failed, with the last line that
// it wrote, where the cause is.
func failure(failed *exec.ExitError) error {
	complaint := strings.TrimSpace(string(failed.Stderr))
	complaint = strings.TrimSpace(complaint[strings.LastIndex(complaint, "\n")+1:])
	if complaint == "" {
		return failed
	}
	return fmt.Errorf("%w: %.200s", failed, complaint)
}

// line makes one line of a text.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func lines(texts []string) []string {
	clean := make([]string, len(texts))
	for i, t := range texts {
		clean[i] = line(t)
	}
	return clean
}

func table(rows [][]string) [][]string {
	clean := make([][]string, len(rows))
	for i, r := range rows {
		clean[i] = lines(r)
	}
	return clean
}
