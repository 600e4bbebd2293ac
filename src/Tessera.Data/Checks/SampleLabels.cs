namespace Tessera.Data.Checks;

/// <summary>The classes of samples as text, by the names of the training split, so that several splits can be compared.</summary>
internal sealed class SampleLabels
{
    private readonly Annotations annotations;
    private readonly string[] names;

    internal SampleLabels(Dataset data, IReadOnlyList<string> classes)
    {
        annotations = data.Annotations;
        var mapping = new ClassMapping(data.ClassNames, classes);
        names = [.. mapping.Numbers.Select((number, i) => number >= 0 ? classes[number] : data.ClassNames[i])];
    }

    internal string Of(int index) =>
        annotations switch
        {
            ClassLabels labels => names[labels.Labels[index]],
            MultiLabels labels => string.Join(", ", labels[index].ToArray().Select(label => names[label]).Order(StringComparer.Ordinal)),
            _ => annotations.Describe(index),
        };
}
