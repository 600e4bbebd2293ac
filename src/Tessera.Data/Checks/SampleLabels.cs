using System.Globalization;

namespace Tessera.Data.Checks;

/// <summary>The classes of samples as text, by the names of the training split, so that several splits can be compared.</summary>
internal sealed class SampleLabels
{
    private readonly Annotations annotations;
    private readonly string[] names;
    private readonly IReadOnlyList<ScannedSample> scanned;

    internal SampleLabels(Dataset data, IReadOnlyList<string> classes, IReadOnlyList<ScannedSample> scanned)
    {
        (annotations, this.scanned) = (data.Annotations, scanned);
        var mapping = new ClassMapping(data.ClassNames, classes);
        names = [.. mapping.Numbers.Select((number, i) => number >= 0 ? classes[number] : data.ClassNames[i])];
    }

    internal string Of(int index) =>
        annotations switch
        {
            ClassLabels labels => names[labels.Labels[index]],
            MultiLabels labels => string.Join(", ", labels[index].ToArray().Select(label => names[label]).Order(StringComparer.Ordinal)),
            // Its pixels of each class: maps of the same image that differ mostly differ in these.
            LabelMaps => string.Join(
                ", ",
                (scanned[index].Map?.Classes ?? [])
                    .OrderByDescending(own => own.Pixels)
                    .Select(own => string.Create(CultureInfo.InvariantCulture, $"{NameOf(own.Class)} {own.Pixels}"))
            ),
            // Its objects of each class: numbers of annotations differ from split to split.
            ObjectBoxes boxes => string.Join(
                ", ",
                boxes[index]
                    .CountBy(one => names[one.Class])
                    .OrderBy(own => own.Key, StringComparer.Ordinal)
                    .Select(own => string.Create(CultureInfo.InvariantCulture, $"{own.Key} {own.Value}"))
            ),
            _ => annotations.Describe(index),
        };

    private string NameOf(int id) => id < names.Length ? names[id] : "ignored";
}
