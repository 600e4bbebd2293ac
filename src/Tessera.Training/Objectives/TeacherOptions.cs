using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>A trained model that another one learns from: a run, or a model of the registry with its weights.</summary>
/// <param name="Run">Folder of a run; its newest checkpoint is taken.</param>
/// <param name="Model">Name of the teacher in the registry of models.</param>
/// <param name="Weights">A checkpoint of that model: a file, or <c>{ file: FILE, key: KEY, prefix: PREFIX, ema: true }</c>.</param>
/// <param name="Head">
/// The head over that model, where the teacher has one of another task than classification: <c>{ name: segformer, width: 768 }</c>.
/// </param>
public sealed record TeacherOptions(
    [RecipePath] string? Run = null,
    string? Model = null,
    WeightsFile? Weights = null,
    HeadOptions? Head = null
)
{
    /// <summary>Folder of a run, or null for a model of the registry.</summary>
    public string? Run { get; init; } =
        (Run is null) == (Model is null) || (Run is not null && (Weights is not null || Head is not null))
            ? throw new ArgumentException("a teacher must be { run: FOLDER } or { model: NAME, weights: FILE }")
            : Run;

    /// <summary>What messages call it: the run, or the model.</summary>
    internal string Title => Run ?? new ModelSpec(Model!, new(), Head).Title;

    /// <summary>Builds and loads it, ready to predict.</summary>
    /// <param name="context">Context with the student, its classes and its device.</param>
    /// <param name="needsClassifier">Whether its answers are used, not only its features.</param>
    /// <exception cref="RunException">
    /// There are no such weights, it is no backbone, or its classifier was never trained and is needed.
    /// </exception>
    /// <exception cref="StateDictException">The weights do not fit the model.</exception>
    public Backbone Create(ObjectiveContext context, bool needsClassifier = true)
    {
        var (model, source) = CreateModel(context, needsClassifier);
        return model as Backbone ?? throw new RunException($"{source}: {Title} is no backbone with a classifier, which is needed here");
    }

    /// <summary>Builds and loads a segmenter, ready to predict.</summary>
    /// <param name="context">Context with the student, its classes and its device.</param>
    /// <exception cref="RunException">
    /// There are no such weights, it gives no class for each pixel, or it was made for other classes or other images.
    /// </exception>
    /// <exception cref="StateDictException">The weights do not fit the model.</exception>
    public Segmenter CreateSegmenter(ObjectiveContext context)
    {
        var (model, source) = CreateModel(context, needsClassifier: true);
        return model as Segmenter
            ?? throw new RunException(
                $"{source}: {Title} gives no class for each pixel: the teacher must be a segmenter, as the student is"
            );
    }

    private (Model Model, string Source) CreateModel(ObjectiveContext context, bool needsClassifier)
    {
        if (Run is not null)
        {
            var bundle = Bundles.ModelBundle.Load(Run, context.Device);
            if (needsClassifier)
            {
                bundle.RequireClassifier();
                CheckClasses(bundle.Classes, context.Classes);
            }
            if (bundle.Model is Segmenter)
                CheckNormalization(bundle.Facts.Normalization, context.Normalization);
            return (bundle.Model, bundle.Source);
        }
        if (Weights is not null && !Path.Exists(Weights.File))
            throw new RunException(
                $"{Weights.File}: there is no such file with the weights of {Model}, the teacher or guide: set weights to its file, or "
                    + "name a trained run: { run: FOLDER }"
            );
        if (context.Model is not Model student)
            throw new ArgumentException($"a teacher needs a model of the registry as its student, not a {context.Model.GetType().Name}");
        var teacher = new ModelSpec(Model!, new() { Classes = student.Classes, Channels = student.Channels }, Head).Create();
        if (Weights is not null)
            teacher.Load(Weights.File, new() { Find = Weights.Find, Partial = Weights.Partial == true });
        teacher.To(context.Device);
        teacher.Eval();
        return (teacher, Weights?.File ?? Model!);
    }

    // The answers of a teacher go by position.
    private void CheckClasses(IReadOnlyList<string> own, IReadOnlyList<string>? student)
    {
        if (student is null || new ClassMapping(student, own).IsIdentity)
            return;
        var place = Enumerable.Range(0, Math.Min(own.Count, student.Count)).FirstOrDefault(i => own[i] != student[i], -1);
        throw new RunException(
            $"{Run}: the teacher must have the classes of the data in the same order, but "
                + (
                    place < 0
                        ? $"has {own.Count} classes instead of {student.Count}"
                        : $"its class {place} is '{own[place]}' instead of '{student[place]}'"
                )
        );
    }

    // Both see the very same images.
    private void CheckNormalization(Normalization? own, Normalization student)
    {
        if (own is null || (own.Mean.SequenceEqual(student.Mean) && own.Deviation.SequenceEqual(student.Deviation)))
            return;
        throw new RunException(
            $"{Run}: the teacher was trained on images normalised by mean {Show(own.Mean)} and deviation {Show(own.Deviation)}, and the "
                + $"student's have {Show(student.Mean)} and {Show(student.Deviation)}: set data.mean and data.std to the teacher's"
        );

        static string Show(IReadOnlyList<float> values) => $"[{string.Join(", ", values.Select(value => value.ToString(Invariant)))}]";
    }

    private static System.Globalization.CultureInfo Invariant => System.Globalization.CultureInfo.InvariantCulture;
}
