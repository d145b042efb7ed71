package daemon

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"

	"mycoproxy/backend/logging"
)

const (
	logSize  = 10 // MiB
	logFiles = 3  // kept besides the current one
)

// NewLog makes the program's logger, which writes to stderr and to the file. If
// the file cannot be written, stderr still gets everything, and the other way
// round; nobody who logs waits for either. The caller calls done when nothing
// logs any more, for the last lines to be written.
func NewLog(stderr io.Writer, file string, level slog.Level) (log *slog.Logger, done func()) {
	os.MkdirAll(filepath.Dir(file), 0o700) // if it fails, so does the write below
	rotated := &lumberjack.Logger{Filename: file, MaxSize: logSize, MaxBackups: logFiles}
	log, flush := logging.New(level, stderr, rotated)
	if _, err := rotated.Write(nil); err != nil {
		log.Warn("the log goes to standard error alone", "error", err)
	}
	return log, func() {
		flush()
		rotated.Close()
	}
}
