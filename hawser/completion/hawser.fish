# Completes `hawser` and `fab` in fish:  hawser --print-completion-script=fish | source
# It reads the list that ordinary runs keep (hawser/completion/kept.py), and starts the program only where there is none.
# What is in the list is data: nothing of it is ever expanded, and fish quotes it.

# Print the path of the list of the project of this folder; fail where it has none.
function __hawser_find
    set -l cache $XDG_CACHE_HOME
    string match -q '/*' -- "$cache"; or set cache $HOME/.cache
    set -l folder (builtin pwd -P)
    while true
        set -l list $cache/hawser/completion/(string replace -a / % -- $folder)
        if test -r $list -a -O $list
            echo $list
            return 0
        end
        set -l files $folder/hosts/*.toml
        # Here begins a project, or the world ends.
        if test -e $folder/fabfile.py -o -e $folder/fabfile/__init__.py -o (count $files) -gt 0 -o "$folder" = /
            return 1
        end
        set folder (string replace -r '/[^/]*$' '' -- $folder)
        test -n "$folder"; or set folder /
    end
end

# Print what an option expects, of a task or of none.
function __hawser_expects -a options task flag
    for each in "$task $flag" "- $flag"
        set -l found (string match -r -- '^'(string escape --style=regex -- $each)' .*' (string split \n -- $options))
        if test -n "$found"
            string match -q '* nothing' -- $found[1]; or string replace -r '.* ' '' -- $found[1]
            return
        end
    end
end

function __hawser
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l list (__hawser_find)
    if test -z "$list"
        $words[1] --complete </dev/null >/dev/null 2>&1
        set list (__hawser_find); or return
    end
    set -l lines
    while read -l line
        set -a lines $line
    end <$list
    set -l tasks (string replace -rf '^task\t([^\t]+)\t.*' '$1' -- $lines)
    set -l options (string replace -rf '^option\t([^\t]+)\t([^\t]+)\t([^\t]+)\t.*' '$1 $2 $3' -- $lines | string collect)

    # The task at which the line is, what the word before expects, and the hosts that are named.
    set -l task -
    set -l expects
    set -l target
    for word in $words[2..-1]
        if test -n "$expects"
            test "$expects" = target; and set target $word
            set expects
        else if string match -q -- '--*=*' $word
            set -l parts (string split -m 1 = -- $word)
            test "$(__hawser_expects $options $task $parts[1])" = target; and set target $parts[2]
        else if string match -q -- '-*' $word
            set expects (__hawser_expects $options $task $word)
        else if contains -- $word $tasks
            set task $word
        end
    end
    set -l before
    if test -z "$expects"; and string match -q -- '--*=*' $current
        set before (string replace -r '=.*' '=' -- $current)
        set expects (__hawser_expects $options $task (string trim -r -c = -- $before))
    end
    if test "$expects" = target; and string match -q '*,*' -- $current
        set before (string replace -r '[^,]*$' '' -- $current)
    end
    set -l first (string split , -- $target)[1]
    set -l named (string match -r -- '^target\t'(string escape --style=regex -- "$first")'\t.*' $lines)
    set -l environment (string split \t -- "$named[1]")[3]

    switch "$expects"
        case ''
            if string match -q -- '-*' $current
                string replace -rf '^option\t(?:-|'(string escape --style=regex -- $task)')\t([^\t]+)\t[^\t]+\t' '$1\t' -- $lines
            else
                string replace -f -r '^task\t' '' -- $lines
                # As `put` takes one.
                test $task = -; or __fish_complete_path $current
            end
        case target
            for each in (string replace -rf '^target\t([^\t]+)\t[^\t]+\t' '$1\t' -- $lines)
                echo "$before$each"
            end
        case text
            __fish_complete_path $current
        case '*'
            set -l of '[^\t]+'
            test -n "$environment"; and set of (string escape --style=regex -- $environment)
            for each in (string replace -rf "^value\\t$expects\\t$of\\t" '' -- $lines)
                echo "$before$each"
            end
    end
end

complete -c hawser -f -a '(__hawser)'
complete -c fab -f -a '(__hawser)'
