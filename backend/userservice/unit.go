package userservice

import (
	"fmt"
	"strings"
)

// Unit is the systemd user unit that runs "program serve". The path must be
// absolute, and systemd takes none with quotes or backslashes.
//
// A user manager may lack the privileges for the namespaces that most of
// systemd's hardening is made of, so only what works without them is asked for.
// The limit of descriptors is not here, since the service raises it itself.
func Unit(program string) string {
	program = strings.ReplaceAll(program, "%", "%%")
	return fmt.Sprintf(unit, description, program, program)
}

// With the condition, a login is no failure after the program was removed by the
// package manager, which does not know every user's units. The limits of restarts
// are for a service that fails at each start.
const unit = `[Unit]
Description=%s
ConditionFileIsExecutable=%s
StartLimitIntervalSec=60
StartLimitBurst=10

[Service]
Type=exec
ExecStart="%s" serve
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2
TimeoutStopSec=10
UMask=0077
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes

[Install]
WantedBy=default.target
`
