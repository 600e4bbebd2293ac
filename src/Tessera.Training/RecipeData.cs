using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>The data of a recipe, ready for a loader: images, or texts as word ids.</summary>
public static class RecipeData
{
    /// <summary>Opens the part that is learned from. Texts give the vocabulary.</summary>
    /// <exception cref="DataException">Files that are missing or malformed.</exception>
    public static Dataset OpenTraining(DataRecipe recipe)
    {
        var data = recipe.OpenTraining();
        return data is TextDataset texts
            ? new EncodedText(texts, Vocabulary.Build(texts.Texts, recipe.MinCount, recipe.MaxWords), recipe.Length)
            : data;
    }

    /// <summary>Opens a part that a model is measured on.</summary>
    /// <param name="facts">What the model knows of its data: texts are encoded by its vocabulary.</param>
    /// <param name="recipe">Which data.</param>
    /// <param name="split">Part.</param>
    /// <param name="limit">Only the first so many samples.</param>
    /// <exception cref="DataException">Files that are missing or malformed, or texts for a model of images.</exception>
    public static Dataset Open(DataFacts facts, DataRecipe recipe, string split, int? limit = null) =>
        (DataRecipe.First(recipe.Open(split), limit), facts.Words) switch
        {
            (TextDataset texts, { } words) => new EncodedText(texts, new Vocabulary(words), facts.Height!.Value),
            (TextDataset, null) => throw new DataException($"{recipe.Name} holds texts, the model knows images"),
            (ImageDataset, { }) => throw new DataException($"{recipe.Name} holds images, the model knows texts"),
            var (images, _) => images,
        };

    /// <summary>Whether a model takes what the data holds.</summary>
    /// <exception cref="RunException">It does not.</exception>
    internal static void Check(Backbone model, string name, Dataset data)
    {
        if (data is EncodedText && model is not TextCct)
            throw new RunException(
                $"model.name: {name} is for images, {data.Name} holds texts: text_cct_2_k2 and the others of 'tessera models text_*' are right"
            );
        if (data is ImageDataset && model is TextCct)
            throw new RunException($"model.name: {name} is for texts, {data.Name} holds images");
    }

    /// <summary>Begins with published word vectors.</summary>
    /// <exception cref="RunException">No model of texts, or vectors of another length.</exception>
    /// <exception cref="DataFormatException">The file is malformed.</exception>
    internal static void LoadWordVectors(Backbone model, Dataset data, string path)
    {
        if (model is not TextCct text || data is not EncodedText encoded)
            throw new RunException("model.word_vectors: only models of texts have word vectors");
        var vectors = Data.WordVectors.Read(path, encoded.Vocabulary);
        if (vectors.Dimension != text.Options.WordDim)
            throw new RunException($"model.word_vectors: {path} has {vectors.Dimension} numbers a word, the model {text.Options.WordDim}");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        text.WordVectors.Copy_(Tensor.From(vectors.Values, encoded.Vocabulary.Count, vectors.Dimension));
    }
}
