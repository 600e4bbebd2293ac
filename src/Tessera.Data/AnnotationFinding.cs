namespace Tessera.Data;

/// <summary>Something out of the ordinary in the annotations of a data set, of one kind.</summary>
/// <param name="IsProblem">Whether a training is refused for it.</param>
/// <param name="Text">What it is, with how many there are, in a line.</param>
/// <param name="Places">Where each is, such as a file and the number of an annotation; the first of many.</param>
public sealed record AnnotationFinding(bool IsProblem, string Text, IReadOnlyList<string> Places);
