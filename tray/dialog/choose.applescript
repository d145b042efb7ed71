-- Arguments: title, text, the rows. Prints "=" and the index of the row chosen, from 0, or nothing.
on run argv
	set choices to items 3 thru -1 of argv
	try
		tell me to activate
	end try
	set reply to choose from list choices with title (item 1 of argv) with prompt (item 2 of argv) default items {item 1 of choices}
	if reply is false then return ""
	repeat with i from 1 to count of choices
		if item i of choices is item 1 of reply then return "=" & (i - 1)
	end repeat
end run
