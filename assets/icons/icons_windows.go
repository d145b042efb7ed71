package icons

import _ "embed"

var (
	//go:embed tray-disconnected.ico
	disconnected []byte
	//go:embed tray-connecting.ico
	connecting []byte
	//go:embed tray-connected.ico
	connected []byte
	//go:embed tray-trouble.ico
	trouble []byte
)
