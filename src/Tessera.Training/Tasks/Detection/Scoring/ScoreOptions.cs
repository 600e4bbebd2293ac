namespace Tessera.Training.Tasks.Detection.Scoring;

/// <summary>How files are to be read, as far as they do not say it themselves.</summary>
internal sealed record ScoreOptions
{
    /// <summary>Layout of the boxes of detections; null to find it out.</summary>
    internal BoxLayout? Boxes { get; init; }

    /// <summary>Layout of the boxes of objects in text; null to find it out.</summary>
    internal BoxLayout? TruthBoxes { get; init; }

    /// <summary>Whether numbers in text are shares of the image; null to find it out.</summary>
    internal bool? IsRelative { get; init; }

    /// <summary>File with the names of classes that are numbers; null for none.</summary>
    internal string? Classes { get; init; }

    /// <summary>Folder of the images, for their sizes; null for none.</summary>
    internal string? Images { get; init; }

    /// <summary>Whether the right and lower numbers of boxes name the last pixel, as in VOC, and not the edge behind it.</summary>
    internal bool NamesPixels { get; init; }

    /// <summary>Whether difficult and ignored objects count as the others do.</summary>
    internal bool CountsDifficult { get; init; }
}
