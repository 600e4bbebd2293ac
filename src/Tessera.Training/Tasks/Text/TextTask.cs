using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Loading;
using Tessera.Data.Text;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Training.Recipes;
using Tessera.Training.Tasks.Classification;

namespace Tessera.Training.Tasks.Text;

/// <summary>Classification of texts: one class each.</summary>
/// <param name="Length">Number of words kept of each text.</param>
/// <param name="MinCount">Least number of occurrences in the training texts of a known word.</param>
/// <param name="MaxWords">Largest number of known words; the rarest are left out.</param>
/// <param name="WordVectors">A file of initial word vectors in GloVe's format.</param>
/// <param name="Bins">Number of bins of the calibration error.</param>
[RecipeName("text")]
public sealed record TextTask(
    [Range(1, 1 << 16)] int Length = 64,
    [Range(1, int.MaxValue)] int MinCount = 1,
    [Range(16, 1 << 24)] int MaxWords = 1 << 24,
    [RecipePath] string? WordVectors = null,
    [Range(1, 1000)] int Bins = 15
) : TaskKind
{
    /// <inheritdoc/>
    public override bool IsDefaultFor(Dataset data) => data is TextDataset { Annotations: ClassLabels };

    /// <inheritdoc/>
    public override Type TargetsType => typeof(ClassTargets);

    /// <inheritdoc/>
    public override string SampleNoun => "texts";

    /// <inheritdoc/>
    public override Type FactsType => typeof(TextFacts);

    /// <inheritdoc/>
    public override EncodedText Prepare(Dataset training)
    {
        var texts = Texts(training);
        return new(texts, Vocabulary.Build(texts.Texts, MinCount, MaxWords), Length);
    }

    /// <inheritdoc/>
    protected override EncodedText PrepareFor(Dataset data, DataFacts facts)
    {
        var known = (TextFacts)facts;
        return new(Texts(data), new Vocabulary(known.Words), known.Length);
    }

    private static TextDataset Texts(Dataset data) =>
        data as TextDataset ?? throw new DataException($"task text needs texts, but {data.Name} holds a {data.GetType().Name}");

    /// <inheritdoc/>
    public override DataFacts FactsOf(LoadableDataset training)
    {
        var texts = (EncodedText)training;
        return new TextFacts(texts.ClassNames, texts.Length, texts.Vocabulary.Words);
    }

    /// <inheritdoc/>
    public override Model CreateModel(ModelSpec spec)
    {
        var model = spec.Create();
        return model is TextCct
            ? model
            : throw new RunException(
                $"model.name: {spec.Title} takes images, but task text needs a model for texts: choose one of 'tessera models text_*'"
            );
    }

    /// <summary>Begins with published word vectors, where a file of them is given.</summary>
    /// <exception cref="RunException">The vectors are not as long as the model's.</exception>
    /// <exception cref="DataFormatException">The file is malformed.</exception>
    public override void Initialize(Model model, LoadableDataset training)
    {
        if (WordVectors is not { } path)
            return;
        var (text, vocabulary) = ((TextCct)model, ((EncodedText)training).Vocabulary);
        var vectors = Data.Text.WordVectors.Read(path, vocabulary);
        if (vectors.Dimension != text.Options.WordDim)
            throw new RunException(
                $"task.word_vectors: {path} has {vectors.Dimension} numbers per word, but the model takes {text.Options.WordDim}"
            );
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        text.WordVectors.Copy_(Tensor.From(vectors.Values, vocabulary.Count, vectors.Dimension));
    }

    /// <inheritdoc/>
    public override Pipeline EvaluationPipeline(Model model, DataFacts facts, EvaluationTransforms given, DataFacts? samples = null) =>
        given.Given is null or []
            ? Pipeline.Plain
            : throw new RunException("evaluation.transforms must be left out: they apply to images, and task text has texts");

    /// <inheritdoc/>
    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new ClassificationEvaluator(model, Bins, predict);

    /// <inheritdoc/>
    public override IEnumerable<GivenSample> Read(IEnumerable<string> given, DataFacts facts, Pipeline pipeline)
    {
        var known = (TextFacts)facts;
        var vocabulary = new Vocabulary(known.Words);
        return given
            .SelectMany(text => File.Exists(text) ? File.ReadLines(text).Where(line => !string.IsNullOrWhiteSpace(line)) : [text])
            .Select(text => new GivenSample(text, () => Encode(text, vocabulary, known.Length)));
    }

    private static ModelInput Encode(string text, Vocabulary vocabulary, int length)
    {
        var ids = vocabulary.Encode(text, length);
        long[] padded = [.. ids.Select(id => (long)id), .. Enumerable.Repeat((long)Vocabulary.Padding, length - ids.Length)];
        return new(Tensor.From(padded, 1, length), Tensor.From([.. padded.Select((_, i) => i < ids.Length)], 1, length));
    }

    /// <inheritdoc/>
    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) =>
        Prediction.MostLikely(sample, logits, facts.Classes, most);

    /// <inheritdoc/>
    public override IReadOnlyList<ReportSection> Report(ReportContext context)
    {
        var source = ((EncodedText)context.Data).Source;
        return ClassificationReport.Sections(context, SampleNoun, mistake => new(source.Texts[mistake.Index], null));
    }
}

/// <summary>Facts about the texts that a model depends on.</summary>
/// <param name="Classes">Names of the classes, by number.</param>
/// <param name="Length">Number of words kept of each text.</param>
/// <param name="Words">Known words, by id.</param>
public sealed record TextFacts(IReadOnlyList<string> Classes, int Length, IReadOnlyList<string> Words) : DataFacts(Classes)
{
    /// <inheritdoc/>
    [System.Text.Json.Serialization.JsonIgnore]
    public override ModelOptions ModelDefaults =>
        new()
        {
            Classes = Classes.Count,
            Channels = 1,
            ImageSize = (Length, 1),
            Vocabulary = Words.Count,
        };
}
