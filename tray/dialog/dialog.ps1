# Reads a line of base64: JSON with title, text and either rows and columns or initial.
# Prints "=" and the answer in base64, or nothing if the user cancels.
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.Windows.Forms, System.Drawing
[Windows.Forms.Application]::EnableVisualStyles()
$data = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String((($input | Out-String).Trim()))) | ConvertFrom-Json
$list = $null -ne $data.rows

$form = New-Object Windows.Forms.Form -Property @{
	Text = $data.title; StartPosition = 'CenterScreen'; TopMost = $true; ShowIcon = $false; MinimizeBox = $false
	Font = [Drawing.SystemFonts]::MessageBoxFont; Padding = New-Object Windows.Forms.Padding 12
}
if ($list) {
	$form.ClientSize = New-Object Drawing.Size 600, 500
	$field = New-Object Windows.Forms.ListView -Property @{
		View = 'Details'; FullRowSelect = $true; MultiSelect = $false; HideSelection = $false; Dock = 'Fill'
	}
	foreach ($name in $data.columns) { [void]$field.Columns.Add($name) }
	foreach ($row in $data.rows) { [void]$field.Items.Add((New-Object Windows.Forms.ListViewItem (,[string[]]$row))) }
	$field.AutoResizeColumns('ColumnContent')
	foreach ($column in $field.Columns) { $column.Width += 16 }
	$field.Items[0].Selected = $true
	$field.add_ItemActivate({ $form.DialogResult = 'OK' })
} else {
	$form.ClientSize = New-Object Drawing.Size 480, 200
	$field = New-Object Windows.Forms.TextBox -Property @{ Text = $data.initial; Dock = 'Fill' }
}
$label = New-Object Windows.Forms.Label -Property @{
	Text = $data.text; Dock = 'Top'; AutoSize = $true; UseMnemonic = $false
	Padding = New-Object Windows.Forms.Padding 0, 0, 0, 8
}
$buttons = New-Object Windows.Forms.FlowLayoutPanel -Property @{ Dock = 'Bottom'; FlowDirection = 'RightToLeft'; AutoSize = $true }
$cancel = New-Object Windows.Forms.Button -Property @{ Text = 'Cancel'; DialogResult = 'Cancel'; AutoSize = $true }
$ok = New-Object Windows.Forms.Button -Property @{ Text = 'OK'; DialogResult = 'OK'; AutoSize = $true }
$buttons.Controls.AddRange(@($cancel, $ok))
$form.Controls.AddRange(@($field, $label, $buttons))
$form.AcceptButton = $ok
$form.CancelButton = $cancel
$form.add_Shown({ $form.Activate(); [void]$field.Focus() })

if ($form.ShowDialog() -eq 'OK') {
	$answer = $field.Text
	if ($list) { $answer = [string]($field.SelectedIndices | Select-Object -First 1) }
	[Console]::Out.Write('=' + [Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($answer)))
}
