# The installer and the zip for Windows: sourced by ../build.
# shellcheck shell=bash disable=SC2154

make_windows() {
	local name=mycoproxy-$packaged-windows-amd64
	local folder=$work/$name
	mkdir "$folder"
	go tool -modfile=installer/tools/go.mod go-winres make --in installer/windows/winres.json --arch amd64 \
		--out cmd/tray/rsrc --file-version "$numbers.0" --product-version "$packaged"
	compile windows amd64 "$folder/mycoproxy.exe" -H=windowsgui
	rm cmd/tray/*.syso
	cp LICENSE "$folder/LICENSE.txt"
	cp "$work/LICENSES.txt" "$folder/"
	cp assets/icons/app.ico "$work/"
	set_times "$folder"
	makensis -V2 -WX -DFOLDER="$folder" -DICON="$work/app.ico" -DVERSION="$packaged" -DNUMBERS="$numbers.0" \
		-DOUT="$out/$name-setup.exe" installer/windows/mycoproxy.nsi
	rm -f "$out/$name.zip"
	(cd "$work" && find "$name" -type f | sort | zip -qX "$out/$name.zip" -@)
}
