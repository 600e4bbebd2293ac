using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Bundles;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>A trained model that another one learns from: a run, or a model of the registry with its weights.</summary>
/// <param name="Run">Folder of a run; its newest checkpoint is taken.</param>
/// <param name="Model">Name of the teacher in the registry of models.</param>
/// <param name="Weights">A checkpoint of that model: a file, or <c>{ file: FILE, key: KEY, prefix: PREFIX, ema: true }</c>.</param>
public sealed record TeacherOptions([RecipePath] string? Run = null, string? Model = null, WeightsFile? Weights = null)
{
    /// <summary>Folder of a run, or null for a model of the registry.</summary>
    public string? Run { get; init; } =
        (Run is null) == (Model is null) || (Run is not null && Weights is not null)
            ? throw new ArgumentException("a teacher must be { run: FOLDER } or { model: NAME, weights: FILE }")
            : Run;

    /// <summary>Builds and loads it, ready to predict.</summary>
    /// <param name="context">Context with the student, its classes and its device.</param>
    /// <param name="needsClassifier">Whether its answers are used, not only its features.</param>
    /// <exception cref="RunException">There are no such weights, or their classifier was never trained and is needed.</exception>
    /// <exception cref="StateDictException">The weights do not fit the model.</exception>
    public Backbone Create(ObjectiveContext context, bool needsClassifier = true)
    {
        if (Run is not null)
        {
            var bundle = Bundles.ModelBundle.Load(Run, context.Device);
            if (needsClassifier)
            {
                bundle.RequireClassifier();
                CheckClasses(bundle.Classes, context.Classes);
            }
            return bundle.Backbone;
        }
        if (Weights is not null && !Path.Exists(Weights.File))
            throw new RunException(
                $"{Weights.File}: there is no such file with the weights of {Model}, the teacher or guide: set weights to its file, or "
                    + "name a trained run: { run: FOLDER }"
            );
        var teacher = Registry.Create(Model!, new() { Classes = context.Student.Classes, Channels = context.Student.Channels });
        if (Weights is not null)
            teacher.Load(Weights.File, new() { Find = Weights.Find });
        teacher.To(context.Device);
        teacher.Eval();
        return teacher;
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
}
