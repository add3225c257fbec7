"""MusicXML 4.0: documents written, and documents of others read, damaged ones too."""
