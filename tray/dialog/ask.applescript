-- Arguments: title, text, what to begin with. Prints "=" and what was typed, or nothing.
on run argv
	try
		tell me to activate
	end try
	try
		set reply to display dialog (item 2 of argv) with title (item 1 of argv) default answer (item 3 of argv)
		return "=" & (text returned of reply)
	on error number -128
		return ""
	end try
end run
