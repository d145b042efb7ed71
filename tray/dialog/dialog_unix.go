//go:build unix && !darwin

package dialog

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"
)

const missing = "no program here can show a dialog: install zenity or kdialog"

// cancelled is the exit code of zenity and kdialog when the user cancels. For
// zenity it is also that of a display that cannot be opened.
const cancelled = 1

func attributes() *syscall.SysProcAttr { return nil }

func askCommand(title, text, initial string) (command, error) {
	program, err := find()
	if err != nil {
		return command{}, err
	}
	c := command{program: program, answer: printed}
	switch program {
	case "zenity": // underlines what follows an underscore
		c.args = []string{"--entry", "--title=" + title, "--width=480",
			"--text=" + strings.ReplaceAll(escapeBackslashes(wrap(text)), "_", "__"), "--entry-text=" + initial}
	case "kdialog": // underlines what follows an ampersand
		c.args = []string{"--title=" + title, "--inputbox=" + strings.ReplaceAll(richText(text), "&amp;", "&amp;&amp;"), "--", initial}
	}
	return c, nil
}

func chooseCommand(title, text string, columns []string, rows [][]string) (command, error) {
	program, err := find()
	if err != nil {
		return command{}, err
	}
	c := command{program: program, answer: printed}
	switch program {
	case "zenity":
		c.args = []string{"--list", "--title=" + title, "--width=700", "--height=500",
			"--text=" + html.EscapeString(escapeBackslashes(wrap(text))), "--column=", "--hide-column=1", "--print-column=1"}
		for _, name := range columns {
			c.args = append(c.args, "--column="+name)
		}
		for i, row := range rows {
			c.args = append(c.args, strconv.Itoa(i))
			for _, cell := range row {
				if strings.HasPrefix(cell, "-") {
					cell = " " + cell // else it is an option, and "--" a cell
				}
				c.args = append(c.args, cell)
			}
		}
	case "kdialog": // has one column, and no heading
		const gap = "   "
		c.args = []string{"--title=" + title, "--menu=" + richText(text), "--geometry=700x500+150+150",
			"--default=" + strings.Join(rows[0], gap), "--"}
		for i, row := range rows {
			c.args = append(c.args, strconv.Itoa(i), strings.Join(row, gap))
		}
	}
	return c, nil
}

// find names the program to use, that of the user's desktop if it is there.
func find() (string, error) {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return "", ErrNoDesktop
	}
	programs := []string{"zenity", "kdialog"}
	if slices.Contains(strings.Split(os.Getenv("XDG_CURRENT_DESKTOP"), ":"), "KDE") {
		slices.Reverse(programs)
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			return p, nil
		}
	}
	return "", ErrNone
}

// printed reads the answer of a program that prints it.
func printed(stdout string, failed *exec.ExitError) (answer string, ok bool, err error) {
	switch {
	case failed == nil:
		return strings.TrimSuffix(stdout, "\n"), true, nil
	case failed.ExitCode() != cancelled:
		return "", false, failure(failed)
	case strings.Contains(string(failed.Stderr), "open display"):
		return "", false, fmt.Errorf("%w: %w", ErrNoDesktop, failure(failed))
	default:
		return "", false, nil
	}
}

// escapeBackslashes takes the meaning from sequences such as \n, which both
// programs know.
func escapeBackslashes(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }

// richText is for kdialog, which would else guess whether a text has markup.
func richText(s string) string {
	s = strings.ReplaceAll(html.EscapeString(wrap(s)), "\n", "<br>")
	return "<qt>" + escapeBackslashes(s) + "</qt>"
}

// wrap breaks long lines, which both programs would show as they are.
func wrap(s string) string {
	const width = 72 // runes
	var b strings.Builder
	for i, l := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		used := 0
		for j, word := range strings.Fields(l) {
			length := utf8.RuneCountInString(word)
			switch {
			case j == 0:
			case used+1+length > width:
				b.WriteByte('\n')
				used = 0
			default:
				b.WriteByte(' ')
				used++
			}
			b.WriteString(word)
			used += length
		}
	}
	return b.String()
}
