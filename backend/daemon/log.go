package daemon

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
)

const (
	logSize  = 10 // MiB
	logFiles = 3  // kept besides the current one
)

// NewLog makes the program's logger, which writes to stderr and to the file. If
// the file cannot be written, stderr still gets everything, and the other way
// round. The caller calls done when nothing logs any more.
func NewLog(stderr io.Writer, file string, level slog.Level) (log *slog.Logger, done func()) {
	os.MkdirAll(filepath.Dir(file), 0o700) // if it fails, so does the write below
	rotated := &lumberjack.Logger{Filename: file, MaxSize: logSize, MaxBackups: logFiles}
	log = slog.New(slog.NewTextHandler(both{stderr, rotated}, &slog.HandlerOptions{Level: level}))
	if _, err := rotated.Write(nil); err != nil {
		log.Warn("the log goes to standard error alone", "error", err)
	}
	return log, func() { rotated.Close() }
}

// both writes to each of the two, even if the other cannot be written.
type both [2]io.Writer

// Write implements [io.Writer]. It never fails.
func (b both) Write(p []byte) (int, error) {
	b[0].Write(p)
	b[1].Write(p)
	return len(p), nil
}
