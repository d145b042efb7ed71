package daemon

import (
	"fmt"
	"os"
	"strings"

	"mycoproxy/backend/settings"
)

// SaveSetting has write put the setting of that name into the settings file. A setting
// that the environment sets is left alone: the file's value would not be used
// at the next start.
func SaveSetting(name string, write func(file string) error) error {
	variable := settings.EnvPrefix + strings.ToUpper(name)
	if _, set := os.LookupEnv(variable); set {
		return fmt.Errorf("the environment variable %s says otherwise", variable)
	}
	return write(settings.ConfigFile())
}
