; The installer for Windows: for this user alone, without administrator rights.
; With /S it asks nothing and shows nothing.

Target amd64-unicode
SetCompressor /SOLID lzma
RequestExecutionLevel user
ManifestDPIAware true
ManifestSupportedOS Win10

!include MUI2.nsh
!include FileFunc.nsh

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Mycoproxy"

Name Mycoproxy
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\Mycoproxy"
BrandingText " "
ShowInstDetails nevershow
ShowUninstDetails nevershow

VIProductVersion "${NUMBERS}"
VIAddVersionKey ProductName Mycoproxy
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileDescription "Installs Mycoproxy"
VIAddVersionKey FileVersion "${NUMBERS}"
VIAddVersionKey LegalCopyright "Copyright the Mycoproxy developers, Apache-2.0"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\mycoproxy.exe"
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE English

Var ServiceRan
Var TrayRan

; Windows does not let the file of a running program be replaced, so what runs is
; ended first: the service and then the tray are asked to end, and killed if they do not.
; ServiceRan and TrayRan tell whether each was running (0: yes).
!macro EndProgram un
; AwaitEnd waits until nothing runs, or $1 tenths of a second; $2 is 0 if nothing does.
Function ${un}AwaitEnd
  again:
    ClearErrors
    FileOpen $0 "$INSTDIR\mycoproxy.exe" a
    IfErrors running
    FileClose $0
    StrCpy $2 0
    Return
  running:
    StrCpy $2 1
    Sleep 100
    IntOp $1 $1 - 1
    IntCmp $1 0 0 0 again
FunctionEnd

Function ${un}EndProgram
  StrCpy $ServiceRan 1
  StrCpy $TrayRan 1
  IfFileExists "$INSTDIR\mycoproxy.exe" 0 done
  nsExec::Exec '"$INSTDIR\mycoproxy.exe" service status'
  Pop $ServiceRan
  nsExec::Exec '"$INSTDIR\mycoproxy.exe" service stop'
  Pop $0
  StrCpy $1 15
  Call ${un}AwaitEnd
  StrCmp $2 0 done
  StrCpy $TrayRan 0
  nsExec::Exec '"$SYSDIR\taskkill.exe" /IM mycoproxy.exe'
  Pop $0
  StrCpy $1 30
  Call ${un}AwaitEnd
  StrCmp $2 0 done
  nsExec::Exec '"$SYSDIR\taskkill.exe" /F /IM mycoproxy.exe'
  Pop $0
  StrCpy $1 30
  Call ${un}AwaitEnd
  done:
FunctionEnd
!macroend
!insertmacro EndProgram ""
!insertmacro EndProgram "un."

Section
  Call EndProgram
  SetOutPath $INSTDIR
  File "${FOLDER}\mycoproxy.exe"
  File "${FOLDER}\LICENSE.txt"
  File "${FOLDER}\LICENSES.txt"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  CreateShortCut "$SMPROGRAMS\Mycoproxy.lnk" "$INSTDIR\mycoproxy.exe"

  WriteRegStr HKCU "${UNINSTALL}" DisplayName Mycoproxy
  WriteRegStr HKCU "${UNINSTALL}" DisplayVersion "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" DisplayIcon "$INSTDIR\mycoproxy.exe"
  WriteRegStr HKCU "${UNINSTALL}" Publisher "The Mycoproxy developers"
  WriteRegStr HKCU "${UNINSTALL}" InstallLocation "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" UninstallString '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" QuietUninstallString '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" NoModify 1
  WriteRegDWORD HKCU "${UNINSTALL}" NoRepair 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKCU "${UNINSTALL}" EstimatedSize $0

  ; What ran before runs again.
  StrCmp $ServiceRan 0 0 +3
    nsExec::Exec '"$INSTDIR\mycoproxy.exe" service start'
    Pop $0
  StrCmp $TrayRan 0 0 +2
    Exec '"$INSTDIR\mycoproxy.exe"'
SectionEnd

Section Uninstall
  Call un.EndProgram
  nsExec::Exec '"$INSTDIR\mycoproxy.exe" service uninstall' ; nothing holds its files any more
  Pop $0
  Delete "$SMPROGRAMS\Mycoproxy.lnk"
  Delete "$INSTDIR\mycoproxy.exe"
  Delete "$INSTDIR\LICENSE.txt"
  Delete "$INSTDIR\LICENSES.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir $INSTDIR
  RMDir "$LOCALAPPDATA\Programs" ; if nothing else is in it
  DeleteRegKey HKCU "${UNINSTALL}"
  DeleteRegKey HKCU "Software\Classes\AppUserModelId\Mycoproxy" ; the notifications' name and icon
SectionEnd
