package userservice

import (
	"fmt"
	"strings"
)

// entry is the XDG autostart entry that runs "program tray".
func entry(program string) string {
	quoted := execQuote.Replace(program)
	return fmt.Sprintf(autostart, valueEscape.Replace(program), valueEscape.Replace(`"`+quoted+`" tray`))
}

// execQuote escapes what stands between double quotes in the value of Exec, and
// valueEscape any value. A desktop takes the escapes of a value away first, and
// those of a command line then.
var (
	execQuote   = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`, `%`, `%%`)
	valueEscape = strings.NewReplacer(`\`, `\\`, "\t", `\t`)
)

const autostart = `[Desktop Entry]
Type=Application
Name=Mycoproxy
Comment=Browse through SOCKS5 proxies on the Mycelium overlay
TryExec=%s
Exec=%s
Icon=` + appID + `
Terminal=false
StartupNotify=false
X-GNOME-Autostart-enabled=true
`
