
# for_users runs a command as each user who is logged in, or whose services run
# without a login, in his own session. That the command fails never stops the
# package manager.
for_users() {
	for bus in /run/user/*/bus; do
		[ -S "$bus" ] || continue
		[ "$bus" != /run/user/0/bus ] || continue # root has no service
		folder=${bus%/bus}
		entry=$(getent passwd "${folder##*/}") || continue
		user=$(echo "$entry" | cut -d: -f1)
		home=$(echo "$entry" | cut -d: -f6)
		# setsid: what runs as the user must not have root's terminal. The outer
		# timeout is one that the user cannot stop.
		timeout -k 5 25 setsid -w runuser -u "$user" -- env -i -C / HOME="$home" USER="$user" LOGNAME="$user" \
			PATH=/usr/local/bin:/usr/bin:/bin XDG_RUNTIME_DIR="$folder" DBUS_SESSION_BUS_ADDRESS="unix:path=$bus" \
			timeout 20 "$@" </dev/null || :
	done
}

# restart_service restarts the services that run, with the new binary.
restart_service() {
	command -v systemctl >/dev/null || return 0
	for_users systemctl --user --quiet daemon-reload
	for_users systemctl --user --quiet try-restart mycoproxy.service
}

# leave_users removes the service and the tray from what the users start at
# login, and ends what still runs.
leave_users() {
	for_users /usr/bin/mycoproxy service uninstall
	running=$(programs)
	[ -n "$running" ] || return 0
	for signal in TERM KILL; do
		for pid in $running; do kill -s "$signal" "$pid" 2>/dev/null || :; done
		for _ in $(seq 30); do
			running=$(programs)
			[ -n "$running" ] || return 0
			sleep 0.1
		done
	done
}

# programs prints the pids of the processes of this program, those of an older
# version included, but not those in a container or in another root folder.
programs() {
	for process in /proc/[0-9]*; do
		case $(readlink "$process/exe") in
		/usr/bin/mycoproxy | "/usr/bin/mycoproxy (deleted)") ;;
		*) continue ;;
		esac
		[ "$(stat -Lc %d:%i "$process/root" 2>/dev/null)" = "$(stat -Lc %d:%i /)" ] && echo "${process#/proc/}"
	done
	return 0
}
