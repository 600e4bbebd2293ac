namespace Tessera.Data.Checks;

/// <summary>Everything that a check has found; plain data.</summary>
/// <param name="Name">The data set.</param>
/// <param name="Root">Its folder; null where it was looked for in the usual places.</param>
/// <param name="Quick">Whether nothing was decoded and hashed.</param>
/// <param name="Training">The split to learn from, to whose classes the others are compared; null where it cannot be opened.</param>
/// <param name="Splits">The splits, that to learn from first.</param>
/// <param name="Repeats">Samples that are there several times, by the first of them.</param>
/// <param name="Findings">What a person should know before a training, the worst first.</param>
public sealed record CheckReport(
    string Name,
    string? Root,
    bool Quick,
    string? Training,
    IReadOnlyList<SplitReport> Splits,
    IReadOnlyList<RepeatedSample> Repeats,
    IReadOnlyList<Finding> Findings
)
{
    /// <summary>Whether a training with this data fails.</summary>
    public bool HasProblems => Findings.Any(finding => finding.Severity == Severity.Problem);

    /// <summary>The findings of one severity.</summary>
    /// <param name="severity">Which.</param>
    public IReadOnlyList<Finding> Of(Severity severity) => [.. Findings.Where(finding => finding.Severity == severity)];
}

/// <summary>What follows from a finding.</summary>
public enum Severity
{
    /// <summary>A training fails.</summary>
    Problem,

    /// <summary>A training goes on, and its result may not be what it seems.</summary>
    Warning,

    /// <summary>Nothing; it is good to know.</summary>
    Remark,
}

/// <summary>Something that a person should know before a training.</summary>
/// <param name="Severity">What follows from it.</param>
/// <param name="Split">The split, or the splits, that it is about; null for the whole.</param>
/// <param name="Text">A clause that says it, in one line.</param>
/// <param name="Count">How many samples, classes or names it is about; 1 for what cannot be counted.</param>
/// <param name="Examples">The first of them, in one line each.</param>
public sealed record Finding(Severity Severity, string? Split, string Text, int Count, IReadOnlyList<string> Examples);

/// <summary>A split as it was found.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Samples">How many samples it has.</param>
/// <param name="Problem">Why a training cannot open it; null where it can.</param>
/// <param name="Classes">Its classes in their order; empty where there are none.</param>
/// <param name="Match">How its classes are those of the training split; null for that itself and where there are no classes.</param>
/// <param name="Labels">Classes per sample, where a sample may have several.</param>
/// <param name="Images">Sizes of its images; null for texts and where nothing could be read or nothing was decoded.</param>
/// <param name="Texts">Lengths of its texts; null for images.</param>
/// <param name="Unreadable">Images that cannot be decoded, by position.</param>
/// <param name="Suspicious">Images that can be decoded and look wrong, by position.</param>
/// <param name="Remarks">What was out of the ordinary as its files were listed.</param>
/// <param name="Maps">Its label maps; null where samples have none. Classes count the images that they occur in.</param>
/// <param name="Boxes">Its objects; null where samples have no boxes. Classes count the images that they occur in.</param>
public sealed record SplitReport(
    string Name,
    int Samples,
    string? Problem,
    IReadOnlyList<ClassReport> Classes,
    ClassMatch? Match,
    LabelCounts? Labels,
    ImageSizes? Images,
    TextLengths? Texts,
    IReadOnlyList<UnreadableImage> Unreadable,
    IReadOnlyList<SuspiciousImage> Suspicious,
    IReadOnlyList<string> Remarks,
    LabelMapsReport? Maps = null,
    BoxesReport? Boxes = null
)
{
    /// <summary>Whether the samples of a class are the images that it occurs in.</summary>
    internal bool CountsImages => Maps is not null || Boxes is not null;
}

/// <summary>An image that can be decoded and looks wrong.</summary>
/// <param name="Index">Position in the split.</param>
/// <param name="Name">Its file.</param>
/// <param name="Reasons">What is suspicious, in a few words each.</param>
public sealed record SuspiciousImage(int Index, string Name, IReadOnlyList<string> Reasons);
