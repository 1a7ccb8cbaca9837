# SPDX-License-Identifier: BSD-3-Clause
# Makes the body of io.fancap(7) from doc/io.fancap.varlink: types, methods and errors, each with the comment in front of it.
function escape(text)
{
	gsub(/[\\*_~<>]/, "\\\\&", text)
	return text
}

function finish()
{
	parts[kind] = parts[kind] "## " name "\n\n" escape(comment) "\n\n```\n" declaration "```\n\n"
	comment = declaration = ""
	inside = 0
}

/^#/ && !inside {
	sub(/^# ?/, "")
	comment = comment $0 "\n"
	next
}
/^interface / {
	description = comment
	comment = ""
	next
}
/^(type|method|error) / {
	kind = $1
	name = $2
	sub(/\(.*/, "", name)
	inside = 1
}
inside {
	declaration = declaration $0 "\n"
	# Parentheses are closed: so is the declaration. Those in comments do not count.
	code = $0
	sub(/#.*/, "", code)
	depth += gsub(/\(/, "", code) - gsub(/\)/, "", code)
	if (depth == 0 && $0 !~ /->[ ]*$/)
		finish()
	next
}
END {
	if (inside) {
		print "a declaration does not end" > "/dev/stderr"
		exit 1
	}
	# Formulas of the introduction keep their lines.
	print "# DESCRIPTION\n"
	n = split(description, lines, "\n")
	for (i = 1; i <= n; i++) {
		literal = lines[i] ~ /^ /
		if (literal != was)
			print "```"
		print literal ? lines[i] : escape(lines[i])
		was = literal
	}
	print "# METHODS\n\n" parts["method"]
	print "# TYPES\n\n" parts["type"]
	print "# ERRORS\n\n" parts["error"]
}
