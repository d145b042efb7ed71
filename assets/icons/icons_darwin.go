package icons

import _ "embed"

var (
	//go:embed tray-disconnected-template.png
	disconnected []byte
	//go:embed tray-connecting-template.png
	connecting []byte
	//go:embed tray-connected-template.png
	connected []byte
	//go:embed tray-trouble-template.png
	trouble []byte
)
