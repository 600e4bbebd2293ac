using Tessera.Data.Loading;
using Tessera.Data.Transforms;

namespace Tessera.Data.Text;

/// <summary>Texts with annotations.</summary>
public sealed class TextDataset : Dataset
{
    /// <summary>A data set of texts.</summary>
    /// <param name="name">Name in the registry.</param>
    /// <param name="split">Which part.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="annotations">Annotations, one per text.</param>
    /// <exception cref="DataException">Not one annotation per text.</exception>
    public TextDataset(string name, string split, IReadOnlyList<string> texts, Annotations annotations)
        : base(name, split, annotations)
    {
        if (texts.Count != annotations.Count)
            throw new DataException($"{name} ({split}): {texts.Count} texts and {annotations.Count} annotations");
        Texts = texts;
    }

    /// <summary>The texts, in the order of the file.</summary>
    public IReadOnlyList<string> Texts { get; }

    /// <inheritdoc/>
    public override TextDataset Part(IReadOnlyList<int> indices, string? split = null) =>
        new(Name, split ?? Split, [.. Checked(indices).Select(i => Texts[i])], Annotations.Part(indices));

    /// <inheritdoc/>
    public override TextDataset Relabelled(Annotations annotations) => new(Name, Split, Texts, annotations);
}

/// <summary>Texts as word ids of one length, as a loader reads them.</summary>
public sealed class EncodedText : LoadableDataset
{
    private readonly int[][] words;

    /// <summary>Encodes texts.</summary>
    /// <param name="source">The texts.</param>
    /// <param name="vocabulary">Words and their ids.</param>
    /// <param name="length">Words that are kept of each text; shorter ones are padded.</param>
    /// <exception cref="DataException">The length is below 1.</exception>
    public EncodedText(TextDataset source, Vocabulary vocabulary, int length = 64)
        : base(source.Name, source.Split, source.Annotations)
    {
        if (length < 1)
            throw new DataException($"texts of {length} words: the length must be at least 1");
        (Source, Vocabulary, Length) = (source, vocabulary, length);
        words = [.. source.Texts.Select(text => vocabulary.Encode(text, length))];
    }

    /// <summary>The texts.</summary>
    public TextDataset Source { get; }

    /// <summary>Words and their ids.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Words of a sample with padding.</summary>
    public int Length { get; }

    /// <inheritdoc/>
    public override bool InMemory => true;

    /// <summary>Word ids of a sample, without padding.</summary>
    public ReadOnlyMemory<int> Words(int index) => words[index];

    /// <inheritdoc/>
    public override EncodedText Part(IReadOnlyList<int> indices, string? split = null) =>
        new(Source.Part(indices, split), Vocabulary, Length);

    /// <inheritdoc/>
    public override EncodedText Relabelled(Annotations annotations) => new(Source.Relabelled(annotations), Vocabulary, Length);

    private protected override Func<BatchBuilder> BuildersFor(BatchOptions options)
    {
        if (options.Pipeline is not { Views: [{ Count: 0 }] })
            throw new DataException($"{Name}: augment is for images, not for text");
        return () => new TextBatchBuilder(this);
    }
}
