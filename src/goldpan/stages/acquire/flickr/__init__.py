"""`acquire flickr`: photos found on Flickr, class by class, as ImageNetV2 found its candidates."""
