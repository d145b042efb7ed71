# The packages for Linux: sourced by ../build.
# shellcheck shell=bash disable=SC2154

# tree ARCH: makes $work/ARCH once, the files below /usr that every kind of
# package has.
tree() {
	local to=$work/$1 size
	[ ! -d "$to" ] || return 0
	compile linux "$1" "$to/bin/mycoproxy"
	install -Dm644 installer/linux/org.mycoproxy.Mycoproxy.desktop -t "$to/share/applications"
	mkdir -p "$to/share/metainfo" "$to/share/man/man1" "$to/share/doc/mycoproxy"
	fill installer/linux/org.mycoproxy.Mycoproxy.metainfo.xml >"$to/share/metainfo/org.mycoproxy.Mycoproxy.metainfo.xml"
	fill installer/linux/mycoproxy.1 | gzip -9n >"$to/share/man/man1/mycoproxy.1.gz"
	for size in 16 22 24 32 48 64 128 256 512; do
		install -Dm644 "assets/icons/app/$size.png" "$to/share/icons/hicolor/${size}x$size/apps/org.mycoproxy.Mycoproxy.png"
	done
	install -Dm644 assets/icons/app.svg "$to/share/icons/hicolor/scalable/apps/org.mycoproxy.Mycoproxy.svg"
	# The program prints these itself; one for another processor could not run here.
	tree "$native"
	mkdir -p "$to/share/bash-completion/completions" "$to/share/zsh/site-functions" "$to/share/fish/vendor_completions.d"
	"$work/$native/bin/mycoproxy" completion bash >"$to/share/bash-completion/completions/mycoproxy"
	"$work/$native/bin/mycoproxy" completion zsh >"$to/share/zsh/site-functions/_mycoproxy"
	"$work/$native/bin/mycoproxy" completion fish >"$to/share/fish/vendor_completions.d/mycoproxy.fish"
}

# installed ARCH FOLDER: what a package of a distribution has in its file system.
installed() {
	tree "$1"
	mkdir -p "$2/usr/lib/systemd/user"
	cp -r "$work/$1/." "$2/usr"
	"$work/$native/bin/mycoproxy" service unit --program /usr/bin/mycoproxy >"$2/usr/lib/systemd/user/mycoproxy.service"
}

# script TEST: a script of a package, which runs TEST with the functions of users.sh.
script() {
	printf '#!/bin/sh\nset -e\n'
	cat installer/linux/users.sh
	printf '\n%s\n' "$1"
}

make_deb() {
	local root=$work/deb-$1 doc=$work/deb-$1/usr/share/doc/mycoproxy
	installed "$1" "$root"
	mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions" # where Debian's zsh looks
	{
		printf 'Mycoproxy is under the Apache License, Version 2.0; on Debian systems its text is in\n'
		printf '/usr/share/common-licenses/Apache-2.0\n\nCopyright the Mycoproxy developers\n\nLinked into it are:\n\n'
		go run ./installer/licences -apache /usr/share/common-licenses/Apache-2.0 ./cmd/tray
	} >"$doc/copyright"
	gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
	printf 'mycoproxy (%s-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
		"$packaged" "$MAINTAINER" "$(date -Rd "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
	install -Dm644 installer/linux/lintian-overrides "$root/usr/share/lintian/overrides/mycoproxy"
	set_times "$root"

	mkdir "$root/DEBIAN"
	(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
	fill installer/linux/control | sed -e "s/@ARCH@/$1/" -e "s/@KIB@/$(du -sk --apparent-size "$root/usr" | cut -f1)/" >"$root/DEBIAN/control"
	# shellcheck disable=SC2016
	script 'if [ "$1" = configure ] && [ -n "${2-}" ]; then restart_service; fi' >"$root/DEBIAN/postinst"
	# shellcheck disable=SC2016
	script 'if [ "$1" = remove ]; then leave_users; fi' >"$root/DEBIAN/prerm"
	chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm"
	set_times "$root"
	dpkg-deb --root-owner-group -Zxz --build "$root" "$out/mycoproxy_$packaged-1_$1.deb"
}

make_rpm() {
	local root=$work/rpm-$1 machine
	case $1 in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
	installed "$1" "$root"
	install -Dm644 LICENSE "$work/LICENSES.txt" -t "$root/usr/share/licenses/mycoproxy"
	install -m644 CHANGELOG.md "$root/usr/share/doc/mycoproxy/"
	set_times "$root"
	# shellcheck disable=SC2016
	script 'if [ "$1" -ge 2 ]; then restart_service; fi' >"$work/post"
	# shellcheck disable=SC2016
	script 'if [ "$1" -eq 0 ]; then leave_users; fi' >"$work/preun"
	fill installer/linux/mycoproxy.spec >"$work/mycoproxy.spec"
	rpmbuild -bb --quiet --target "$machine-linux" --define "_topdir $work/rpmbuild" --define "_rpmdir $out" \
		--define "root $root" --define "scripts $work" "$work/mycoproxy.spec"
}

make_tar() {
	local name=mycoproxy-$packaged-linux-$1
	tree "$1"
	cp -r "$work/$1" "$work/$name"
	cp LICENSE "$work/LICENSES.txt" CHANGELOG.md README.md "$work/$name/share/doc/mycoproxy/"
	set_times "$work/$name"
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -c "$name" | gzip -9n >"$out/$name.tar.gz"
}
