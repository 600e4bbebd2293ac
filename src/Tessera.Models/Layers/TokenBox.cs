namespace Tessera.Models.Layers;

/// <summary>A region of a grid of tokens: rows from Top and columns from Left, Bottom and Right excluded.</summary>
public readonly record struct TokenBox(int Top, int Left, int Bottom, int Right);
