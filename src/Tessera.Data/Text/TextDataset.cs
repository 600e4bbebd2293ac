namespace Tessera.Data;

/// <summary>Labelled texts.</summary>
public sealed class TextDataset : Dataset
{
    /// <summary>A data set of texts.</summary>
    /// <exception cref="DataException">Not one label per text.</exception>
    public TextDataset(string name, string split, IReadOnlyList<string> classNames, IReadOnlyList<string> texts, IReadOnlyList<int> labels)
        : base(name, split, classNames, labels)
    {
        if (texts.Count != labels.Count)
            throw new DataException($"{name} ({split}): {texts.Count} texts and {labels.Count} labels");
        Texts = texts;
    }

    /// <summary>The texts, in the order of the file.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <summary>Some of the texts.</summary>
    /// <param name="indices">Their positions, in the order that they have then.</param>
    /// <param name="split">Name of the part; that of the whole by default.</param>
    public TextDataset Part(IReadOnlyList<int> indices, string? split = null) =>
        new(Name, split ?? Split, ClassNames, [.. indices.Select(i => Texts[i])], [.. indices.Select(i => Labels[i])]);
}

/// <summary>Labelled texts as word ids of one length: what the loader reads.</summary>
public sealed class EncodedText : Dataset
{
    private readonly int[][] words;

    /// <summary>Encodes texts.</summary>
    /// <param name="source">The texts.</param>
    /// <param name="vocabulary">Words and their ids.</param>
    /// <param name="length">Words that are kept of each text; shorter ones are padded.</param>
    /// <exception cref="DataException">No length.</exception>
    public EncodedText(TextDataset source, Vocabulary vocabulary, int length = 64)
        : base(source.Name, source.Split, source.ClassNames, source.Labels)
    {
        if (length < 1)
            throw new DataException($"texts of {length} words: at least 1 is right");
        (Source, Vocabulary, Length) = (source, vocabulary, length);
        words = [.. source.Texts.Select(text => vocabulary.Encode(text, length))];
    }

    /// <summary>The texts.</summary>
    public TextDataset Source { get; }

    /// <summary>Words and their ids.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Words of a sample with padding.</summary>
    public int Length { get; }

    /// <summary>Word ids of a sample, without padding.</summary>
    public ReadOnlyMemory<int> Words(int index) => words[index];
}
