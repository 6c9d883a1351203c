from django import forms


class EntryForm(forms.Form):
    text = forms.CharField(
        label="Write a log entry",
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "Wind south-west, all lines made fast", "autocomplete": "off"}),
    )
